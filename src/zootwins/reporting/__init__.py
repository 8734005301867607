"""Presentation: typeset tables, figures, the explorer."""

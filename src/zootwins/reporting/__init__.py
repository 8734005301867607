"""What people look at: typeset tables, figures, the explorer."""

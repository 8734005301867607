"""Downstream experiments on originals and twins, one package each."""

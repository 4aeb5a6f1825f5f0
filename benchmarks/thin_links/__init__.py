"""Whole lectures through the real relay and the real headless hall over emulated thin links: ``make bench``."""

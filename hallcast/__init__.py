"""The hallcast command."""

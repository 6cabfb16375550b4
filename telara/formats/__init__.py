"""How values are written where a page does not say: Django finds these by the language."""

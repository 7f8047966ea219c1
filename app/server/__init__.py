"""The web server: who may ask, what can be asked, and how files come in."""

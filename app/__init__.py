"""Messaging Gateway: the service between a company's applications and its SMS providers."""

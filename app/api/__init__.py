"""How it is asked: HTTP only. A route parses, calls one service or reads through the store, and answers."""

"""What is kept: the only SQL. Functions take a connection inside a transaction that the caller owns."""

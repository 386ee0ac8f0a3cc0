"""What is done: one method for each use case, one transaction each, none held during a provider call."""

"""The pretend carrier network: a provider that can be told to misbehave, over real HTTP with real signed webhooks."""

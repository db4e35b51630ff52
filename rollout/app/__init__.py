"""What the deployed application imports. Standard library only: it runs where `rollout` is not installed."""

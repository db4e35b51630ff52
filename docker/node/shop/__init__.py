"""The testbed's application, and its tasks."""

"""The lab's application, and its tasks."""

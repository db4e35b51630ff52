"""The report of a deployment: a page that needs nothing else, and what of it fits a chat or a ticket."""

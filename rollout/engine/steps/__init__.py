"""The steps of one node's roll, and what is done if it ends early."""

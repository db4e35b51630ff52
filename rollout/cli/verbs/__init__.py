"""The verbs, a file each: read arguments, wire, print."""

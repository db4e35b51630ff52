"""Text for other machines: runtime commands, shell lines, programs. Nothing is sent here."""

"""What is sent to other machines, as text: runtime commands, shell lines, programs. Nothing is sent here."""

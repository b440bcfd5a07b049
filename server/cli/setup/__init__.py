"""The commands that set Atelier up and check it: `init`, `keys`, `config`, `doctor`, `completion`."""

"""What only the shipped checkpoint needs: places with field notes, simulated or real, and how they are measured."""

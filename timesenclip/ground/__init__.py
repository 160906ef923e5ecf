"""The ground side: towers that embed text and photographs, and the class lists and prompts that are asked for."""

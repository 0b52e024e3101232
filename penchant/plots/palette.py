"""The colours of everything that people read, light and dark: CSS variables for a style sheet."""

PALETTE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2230; --soft: #667085;
  --line: #e3e6ec; --all: #2f6fed; --new: #e08a1e; --good: #16885a; --bad: #c9372c;
  --hue0: #2f6fed; --hue1: #e08a1e; --hue2: #16885a; --hue3: #c2379b; --hue4: #7a52d1;
  --hue5: #0f9fb5; --hue6: #c9372c; }
@media (prefers-color-scheme: dark) { :root { --page: #12151c; --card: #1b202a; --ink: #e8ebf2;
  --soft: #98a2b3; --line: #2d3442; --all: #7aa5ff; --new: #f5b35c; --good: #4cc38a;
  --bad: #ff8a80; --hue0: #7aa5ff; --hue1: #f5b35c; --hue2: #4cc38a; --hue3: #f07fd0;
  --hue4: #b79bff; --hue5: #56cfe1; --hue6: #ff8a80; } }
"""

"""What pages show of insights: sections and plots, the same in the report and the console."""

"""The subcommands of ``penchant``, by what they work on."""

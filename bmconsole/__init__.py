"""bmconsole: the operator console for people who sell refurbished devices on Back Market."""

__version__ = "0.1.0"

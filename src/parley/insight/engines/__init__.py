"""Text engines behind `insight.ports.TextEngine`; only the server names one."""

"""Where findings go. A sink never stops the sensor: what it cannot take is counted."""

# SPDX-License-Identifier: Apache-2.0
"""Where findings go. A sink never stops the sensor: what it cannot take is counted."""

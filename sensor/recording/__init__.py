# SPDX-License-Identifier: Apache-2.0
"""Frames on disk and back: ``scout record`` and ``scout replay``. What a frame means is in sensor.events, what is done with it in sensor.engine."""

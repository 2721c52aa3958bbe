# SPDX-License-Identifier: Apache-2.0
"""How the sensor is: what it says of itself to people, probes of the kubelet, and Prometheus. It decides nothing about events."""

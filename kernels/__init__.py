# SPDX-License-Identifier: Apache-2.0
"""Other kernels: which ones Scout is tested on, how they are booted, what 4.14 would refuse. Never imported by the sensor."""

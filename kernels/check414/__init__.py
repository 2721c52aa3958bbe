# SPDX-License-Identifier: Apache-2.0
"""
Would 4.14's verifier take this program? A check on its instructions, not a run on 4.14.

`check_program` (`kernels.check414.check`) is the way in. The package stands on the standard library alone and is never part of the sensor.
"""

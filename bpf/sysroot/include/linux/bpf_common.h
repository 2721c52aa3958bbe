// SPDX-License-Identifier: GPL-2.0-only
/* Asked for by name while BCC compiles; nothing in it is needed. */
#pragma once

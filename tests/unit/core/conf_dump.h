/* SPDX-License-Identifier: MPL-2.0
 *
 * conf_dump.h - what tests of configuration share: trees and profiles as text, a fake environment.
 */
#ifndef TESTS_UNIT_CORE_CONF_DUMP_H
#define TESTS_UNIT_CORE_CONF_DUMP_H

#include "core/conf.h"
#include "core/nic_profile.h"

/* One line a node: LINE INDENT TYPE KEY = VALUE. */
void conf_dump(const struct conf_node *node, unsigned depth, FILE *out);

/* ONE is "1", ENCODER is "PayloadEncoder", LINES holds two line ends, NESTED holds %ENV[ONE];
 * others are not set. */
const char *conf_fake_environment(const char *name);

void profile_dump(const struct nic_profile *profile, FILE *out);

#endif

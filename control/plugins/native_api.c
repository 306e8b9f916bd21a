/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/native_api.h"

#include "control/hekaline.h"
#include "control/plugins/input_stream.h"
#include "core/clock.h"
#include "core/log.h"

typedef void (*any_fn)(void);

#define API(name) (any_fn)(name),
__attribute__((used)) static const any_fn functions[] = {
#include "control/plugins/native_api.def"
};
#undef API

void native_api_keep(void)
{
}

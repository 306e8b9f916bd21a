/* SPDX-License-Identifier: MPL-2.0
 *
 * native_api.h - the functions of hekad that plugins of shared objects may call.
 *
 * Place:   native_api.def lists them; CMake makes the list of exported symbols from it, and
 *          native_api.c sees to it that the linker takes them all into hekad.
 * Threads: constant.
 */
#ifndef CONTROL_NATIVE_API_H
#define CONTROL_NATIVE_API_H

/* Does nothing: whoever calls it has all functions of native_api.def linked. */
void native_api_keep(void);

#endif

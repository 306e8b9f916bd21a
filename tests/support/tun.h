/* SPDX-License-Identifier: MPL-2.0
 *
 * tun.h - a tun device with addresses, in the network namespace of the process.
 *
 * Place:   tcp_tun.c and script_kernel.c. Whoever runs them gives them a namespace of their own.
 */
#ifndef TESTS_SUPPORT_TUN_H
#define TESTS_SUPPORT_TUN_H

#define TUN_KERNEL4 "10.9.0.1" /* the kernel's; 10.9.0.0/16 goes to the device */
#define TUN_PEER4   "10.9.0.2"
#define TUN_KERNEL6 "fd09::1" /* fd09::/64 */
#define TUN_PEER6   "fd09::2"

/* A non-blocking descriptor of packets without a header in front. Ends the program when it cannot
 * be had. */
int tun_open(void);

#endif

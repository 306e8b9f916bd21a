/* SPDX-License-Identifier: MPL-2.0
 *
 * certificate.h - self-signed certificates for unit tests, which are their own authorities.
 *
 * Place:   tests of TLS.
 */
#ifndef TESTS_SUPPORT_CERTIFICATE_H
#define TESTS_SUPPORT_CERTIFICATE_H

/* Writes a PEM file with certificate and key for `names` ("DNS:localhost,IP:127.0.0.1"). 0 or
 * -1. */
int certificate_make(const char *path, const char *names);

#endif

/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { DAY_S = 86400 };

static int add_names(X509 *certificate, const char *names)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    if (extension == NULL)
        return -1;
    int rc = X509_add_ext(certificate, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return rc;
}

static int fill(X509 *certificate, EVP_PKEY *key, const char *names)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    if (add_names(certificate, names) != 0)
        return -1;
    return X509_sign(certificate, key, EVP_sha256()) > 0 ? 0 : -1;
}

int certificate_make(const char *path, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    FILE *file = fopen(path, "we");
    int rc = -1;
    if (key != NULL && certificate != NULL && file != NULL)
        rc = fill(certificate, key, names);
    if (rc == 0 && (PEM_write_X509(file, certificate) != 1 ||
                    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1))
        rc = -1;
    if (file != NULL && fclose(file) != 0)
        rc = -1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}

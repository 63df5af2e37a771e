/** Certificates that are worth a day. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** What a certificate is for. */
const NAMES = { 'right name': 'DNS:localhost,IP:127.0.0.1', 'wrong name': 'DNS:redis.example.com' }

const NEW_KEY = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']

export interface Certificates {
  /** The certificate of the authority, as PEM. */
  ca: string
  caFile: string
  /** What redis-server is told. */
  args: string[]
}

/** Makes an authority and a certificate of a server. */
export async function makeCertificates (folder: string, names: keyof typeof NAMES): Promise<Certificates> {
  const [caFile, caKey, file, key] = ['ca.pem', 'ca.key', 'server.pem', 'server.key'].map((name) => join(folder, name)) as [string, string, string, string] // as many as names
  const openssl = async (...args: string[]) => await promisify(execFile)('openssl', args)

  await openssl(...NEW_KEY, '-subj', '/CN=Authority of a test', '-keyout', caKey, '-out', caFile)
  await openssl(...NEW_KEY, '-subj', '/CN=Server of a test', '-CA', caFile, '-CAkey', caKey, '-addext', `subjectAltName=${NAMES[names]}`, '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', file)

  return {
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    args: ['--tls-cert-file', file, '--tls-key-file', key, '--tls-ca-cert-file', caFile, '--tls-auth-clients', 'no']
  }
}

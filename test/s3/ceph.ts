// Ceph as a real S3 server: one monitor, one OSD that keeps everything in memory, one RADOS Gateway, all on 127.0.0.1.
import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { freePort } from '../support/ports.ts'
import { startKeeper } from './keeper.ts'
import { command, prepare, type RunningServer, type S3Server } from './server.ts'

/** Lowered from 5 MiB, so that a thousand parts are cheap. */
export const CEPH_MIN_PART_BYTES = 1024

const ROLE = 'uploader'
const OWNER = { uid: 'owner', accessKeyId: 'CEPHOWNER', secretAccessKey: 'secret-of-the-owner' }
const STRANGER = { uid: 'stranger', accessKeyId: 'CEPHSTRANGER', secretAccessKey: 'other-secret' }

/** Each takes a third of a second or more. */
const MAX_LOOKS = 60

export async function startCeph(): Promise<RunningServer> {
  const keeper = await startKeeper('ceph')
  try {
    const [monitorPort, gatewayPort] = [await freePort(), await freePort()]
    const { folder } = keeper
    const fsid = randomUUID()
    const config = `${folder}/ceph.conf`
    await Promise.all(['mon', 'osd', 'run'].map((name) => mkdir(`${folder}/${name}`)))
    await writeFile(config, configuration({ folder, fsid, gatewayPort }))
    await writeFile(`${folder}/keyring`, '')
    const ceph = (program: string, ...args: string[]) => command(program, '-c', config, ...args)
    const start = (name: string, program: string, ...args: string[]) =>
      keeper.start({ name, command: program, args: ['-c', config, ...args, '-f'] })

    const monitorMap = `${folder}/monmap`
    const address = `[v1:127.0.0.1:${monitorPort}]`
    const map = ['--create', '--fsid', fsid, '--set-min-mon-release', '16', '--addv', 'a', address]
    await command('monmaptool', ...map, monitorMap)
    await ceph('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monitorMap)
    start('mon', 'ceph-mon', '-i', 'a')
    await leading(() => ceph('ceph', '--admin-daemon', `${folder}/run/mon.a.asok`, 'mon_status'))
    const osdId = randomUUID()
    await ceph('ceph', 'osd', 'new', osdId)
    await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osdId)
    // By hand, because an OSD that does it at its start asks the monitor before it knows the cluster's id ("wrong fsid").
    await ceph('ceph', 'osd', 'crush', 'add', 'osd.0', '1.0', 'host=localhost', 'root=default')
    start('osd', 'ceph-osd', '-i', '0')
    start('rgw', 'radosgw', '-n', 'client.rgw')
    const endpoint = `http://127.0.0.1:${gatewayPort}`
    await keeper.answering(endpoint, 'rgw')

    await makeUsers((...args) => ceph('radosgw-admin', ...args))
    const server: S3Server = {
      name: 'ceph',
      endpoint,
      region: 'us-east-1',
      bucket: 'countersign-test',
      accessKeyId: OWNER.accessKeyId,
      secretAccessKey: OWNER.secretAccessKey,
      roleArn: `arn:aws:iam:::role/${ROLE}`,
      stranger: STRANGER,
    }
    await prepare(server)
    return { server, end: keeper.end }
  } catch (error) {
    await keeper.end()
    throw error
  }
}

/** Waits for the monitor's election, before which it refuses commands ("wrong fsid"). Its own socket answers at any time. */
async function leading(status: () => Promise<string>): Promise<void> {
  for (let tries = 0; tries < MAX_LOOKS; tries++) {
    const state = await status().then(JSON.parse, () => undefined)
    if (state?.state === 'leader' && state.monmap.epoch > 0) return
  }
  throw new Error('The monitor of Ceph was not elected.')
}

async function makeUsers(admin: (...args: string[]) => Promise<string>): Promise<void> {
  for (const { uid, accessKeyId, secretAccessKey } of [OWNER, STRANGER]) {
    const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`]
    await admin('user', 'create', `--uid=${uid}`, `--display-name=${uid}`, ...keys)
  }
  const statement = (rest: object) =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...rest }] })
  const trust = statement({
    Principal: { AWS: [`arn:aws:iam:::user/${OWNER.uid}`] },
    Action: ['sts:AssumeRole'],
  })
  const everything = statement({ Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] })
  await admin('role', 'create', `--role-name=${ROLE}`, `--assume-role-policy-doc=${trust}`)
  const policy = ['--policy-name=all', `--policy-doc=${everything}`]
  await admin('role-policy', 'put', `--role-name=${ROLE}`, ...policy)
}

interface Layout {
  folder: string
  fsid: string
  gatewayPort: number
}

const configuration = ({ folder, fsid, gatewayPort }: Layout) => `[global]
fsid = ${fsid}
monmap = ${folder}/monmap
ms bind msgr2 = false
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
osd objectstore = memstore
osd memory target = 939524096
memstore device bytes = 4294967296
mon data = ${folder}/mon
osd data = ${folder}/osd
run dir = ${folder}/run
log file = ${folder}/$name.log
admin socket = ${folder}/run/$name.asok
pid file = ${folder}/run/$name.pid
keyring = ${folder}/keyring
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw dns name = s3.localhost
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
rgw override bucket index max shards = 1
rgw multipart min part size = ${CEPH_MIN_PART_BYTES}
rgw enable usage log = false
`

import { Button, Text } from '@mantine/core'
import { useState } from 'react'
import type { StoredVolume } from '../api/client'
import { useAction, useVolumes } from '../api/queries'
import { Confirm, Fault, Head, Loading } from '../ui/parts'
import { Status } from '../ui/Status'
import { bytes, counted } from '../ui/words'

export function VolumesPage() {
  const volumes = useVolumes()
  const [deleting, setDeleting] = useState<StoredVolume | null>(null)
  const remove = useAction('/api/volumes/delete', 'The volume is deleted')
  const verb = deleting?.missing ? 'Forget' : 'Delete'
  if (volumes.isPending) return <Loading of="list" head />
  if (volumes.isError) return <Fault page error={volumes.error} retry={() => void volumes.refetch()} />
  const unused = volumes.data.filter(volume => !volume.apps.length).length
  const missing = volumes.data.filter(volume => volume.missing).length
  const state = missing ? `${missing} of them missing.` : unused ? `${unused} of them used by no app.` : 'all in use.'
  return (
    <>
      <Head
        title="Volumes"
        truth={
          volumes.data.length
            ? `${counted(volumes.data.length, 'volume')}, ${state} Deleting an app never deletes its volumes.`
            : 'No app keeps anything in a volume.'
        }
      />
      {volumes.data.length ? (
        <div className="panel">
          <ul className="list">
            {volumes.data.map(volume => (
              <li key={`${volume.projectId}/${volume.name}`} className="name">
                <div className="row">
                  <div style={{ minWidth: 0 }}>
                    <strong>{volume.name}</strong>{' '}
                    <span className="dim">{volume.project && `in ${volume.project}`}</span>
                    <div className="dim">
                      {volume.apps.length
                        ? `Used by ${volume.apps.join(', ')}`
                        : 'Used by no app: its app was deleted for good'}
                      {volume.missing &&
                        '. It is not there any more: what needs it is not started, so that no app begins anew with an empty one.'}
                    </div>
                  </div>
                  <div className="row" style={{ gap: 12 }}>
                    {volume.missing ? (
                      <Status status="failed" word="Missing" />
                    ) : (
                      <span className="dim">{bytes(volume.size) || 'size not known'}</span>
                    )}
                    {volume.missing ? (
                      <Button variant="subtle" color="red" size="compact-sm" onClick={() => setDeleting(volume)}>
                        Forget {volume.name}
                      </Button>
                    ) : volume.apps.length ? (
                      <Status
                        status={volume.inTrash ? 'stopped' : 'running'}
                        word={volume.inTrash ? 'In the trash' : 'In use'}
                      />
                    ) : (
                      <Button variant="subtle" color="red" size="compact-sm" onClick={() => setDeleting(volume)}>
                        Delete {volume.name}
                      </Button>
                    )}
                  </div>
                </div>
              </li>
            ))}
          </ul>
        </div>
      ) : (
        <div className="panel empty">
          <h2>No volumes yet</h2>
          <p>
            What an app writes is gone with its next version, unless it writes to a volume. Give one in the app's
            settings, such as data:/app/data.
          </p>
        </div>
      )}
      <Confirm
        opened={deleting !== null}
        onClose={() => setDeleting(null)}
        title={`${verb} the volume ${deleting?.name}?`}
        act={`${verb} ${deleting?.name} ${bytes(deleting?.size)}`.trim()}
        danger
        typed={deleting?.name}
        busy={remove.isPending}
        onAct={() =>
          remove.mutate(
            { projectId: deleting?.projectId, name: deleting?.name },
            { onSettled: () => setDeleting(null) },
          )
        }
      >
        <Text size="sm">
          {deleting?.missing
            ? 'The next release of its apps begins with an empty one. If what was in it is on another disk or in a copy, bring that back first.'
            : 'All that is in it goes, and nothing brings it back.'}
        </Text>
      </Confirm>
    </>
  )
}

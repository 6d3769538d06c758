import { Button, Group, Switch, Text } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { App, TrashedApp } from '../api/client'
import { useAction, useTrash } from '../api/queries'
import { Ago, Confirm, Fault, Head, Loading } from '../ui/parts'
import { bytes, counted } from '../ui/words'

export function TrashPage() {
  const trash = useTrash()
  if (trash.isPending) return <Loading of="list" head />
  if (trash.isError) return <Fault page error={trash.error} retry={() => void trash.refetch()} />
  return (
    <>
      <Head
        title="Trash"
        truth={
          trash.data.length
            ? `${counted(trash.data.length, 'deleted app')} can be brought back as ${trash.data.length === 1 ? 'it was' : 'they were'}.`
            : 'Nothing was deleted lately.'
        }
      />
      {trash.data.length ? (
        <div className="panel">
          <ul className="list">
            {trash.data.map(app => (
              <Row key={app.id} app={app} />
            ))}
          </ul>
        </div>
      ) : (
        <div className="panel empty">
          <h2>The trash is empty</h2>
          <p>A deleted app stays here for some days with its images, variables, deployments and volumes.</p>
        </div>
      )}
    </>
  )
}

function Row({ app }: { app: TrashedApp }) {
  const [purging, setPurging] = useState(false)
  const [volumes, setVolumes] = useState(false)
  const navigate = useNavigate()
  const restore = useAction<App>('/api/apps/restore', `${app.name} is back`)
  const purge = useAction('/api/apps/purge', `${app.name} is gone for good`)
  const size = app.volumes.reduce((sum, volume) => sum + (volume.size ?? 0), 0)
  const kept = app.volumes.map(volume => `${volume.name} ${bytes(volume.size)}`.trim()).join(', ')
  return (
    <li className="name">
      <div className="row">
        <div style={{ minWidth: 0 }}>
          <strong>{app.name}</strong>
          <div className="dim">
            Deleted <Ago at={app.deletedAt} />; goes for good on{' '}
            {new Date(app.purgeAt).toLocaleDateString(undefined, { day: 'numeric', month: 'long' })}.{' '}
            {[
              counted(app.images, 'image'),
              app.volumes.length
                ? `${counted(app.volumes.length, 'volume')} (${bytes(size) || 'size not known'})`
                : 'no volumes',
              ...app.domains,
            ].join(' · ')}
          </div>
        </div>
        <Group gap="xs" wrap="nowrap">
          <Button
            variant="default"
            size="compact-sm"
            loading={restore.isPending}
            onClick={() =>
              restore.mutate(
                { id: app.id },
                {
                  onSuccess: back =>
                    void navigate({ to: '/apps/$appId', params: { appId: back.id }, search: { tab: 'overview' } }),
                },
              )
            }
          >
            Restore {app.name}
          </Button>
          <Button variant="default" c="var(--paas-failed)" size="compact-sm" onClick={() => setPurging(true)}>
            Delete for good
          </Button>
        </Group>
      </div>
      <Confirm
        opened={purging}
        onClose={() => setPurging(false)}
        title={`Delete ${app.name} for good?`}
        act={`Delete ${app.name}${volumes ? ' and its volumes' : ''} for good`}
        danger
        typed={app.name}
        busy={purge.isPending}
        onAct={() => purge.mutate({ id: app.id, name: app.name, volumes }, { onSettled: () => setPurging(false) })}
      >
        <Text size="sm">
          {counted(app.images, 'image')}, all deployments, logs and variables go, and nothing brings them back.{' '}
          {app.volumes.length
            ? volumes
              ? `So do its volumes with all that is in them: ${kept}.`
              : `Its volumes stay: ${kept}.`
            : ''}
        </Text>
        {app.volumes.length > 0 && (
          <Switch
            mt="md"
            color="red"
            label={`Delete ${counted(app.volumes.length, 'volume')} too`}
            checked={volumes}
            onChange={event => setVolumes(event.currentTarget.checked)}
          />
        )}
      </Confirm>
    </li>
  )
}

import { Button, Text } from '@mantine/core'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useAction, useProject, useVolumes, whileIt } from '../api/queries'
import { AppCard } from '../apps/AppsPage'
import { projectRoute } from '../router'
import { Confirm, Copy, Fault, Head, Loading, Panel } from '../ui/parts'
import { Status } from '../ui/Status'
import { bytes, counted } from '../ui/words'

export function ProjectPage() {
  const { projectId } = projectRoute.useParams()
  const project = useProject(projectId)
  const volumes = useVolumes()
  const navigate = useNavigate()
  const [asking, setAsking] = useState(false)
  const remove = useAction('/api/projects/delete', 'The project is in the trash')
  const act = async () => {
    setAsking(false)
    await navigate({ to: '/projects' })
    await whileIt(`Deleting ${project.data?.name}`, remove.mutateAsync({ id: projectId }))
  }
  if (project.isPending) return <Loading />
  if (project.isError) return <Fault page error={project.error} retry={() => void project.refetch()} />
  const { name, services, status, description } = project.data
  const own = (volumes.data ?? []).filter(volume => volume.projectId === projectId)
  const failed = services.filter(app => app.status === 'failed').map(app => app.name)
  return (
    <>
      <Head
        crumbs={<Link to="/projects">Projects</Link>}
        title={name}
        status={services.length ? <Status status={status} /> : undefined}
        truth={
          description ? (
            <bdi>{description}</bdi>
          ) : failed.length ? (
            `${failed.join(', ')} ${failed.length > 1 ? 'need' : 'needs'} attention.`
          ) : services.length ? (
            `${counted(services.length, 'app')} that reach each other by name.`
          ) : (
            'No apps yet.'
          )
        }
        actions={
          <>
            <Button variant="default" color="red" onClick={() => setAsking(true)}>
              Delete {name}
            </Button>
            <Button component={Link} to="/new">
              New app
            </Button>
          </>
        }
      />
      <div className="split">
        <div className="stack">
          {services.length ? (
            <div className="cards">
              {services.map(app => (
                <AppCard key={app.id} app={app} />
              ))}
            </div>
          ) : (
            <div className="panel empty">
              <h2>No apps in this project</h2>
              <p>Deploy one and choose this project.</p>
            </div>
          )}
        </div>
        <div className="stack">
          <Panel title="Addresses inside">
            {services.length ? (
              <dl className="facts">
                {services.map(app => (
                  <div key={app.id} style={{ display: 'contents' }}>
                    <dt>{app.name}</dt>
                    <dd>
                      <code>http://{app.name}</code> <Copy value={`http://${app.name}`} label="the address" />
                    </dd>
                  </div>
                ))}
              </dl>
            ) : (
              <Text size="sm" c="dimmed">
                None yet.
              </Text>
            )}
          </Panel>
          <Panel title="Volumes">
            {own.length ? (
              <dl className="facts">
                {own.map(volume => (
                  <div key={volume.name} style={{ display: 'contents' }}>
                    <dt>{volume.name}</dt>
                    <dd>{bytes(volume.size) || 'size not known'}</dd>
                  </div>
                ))}
              </dl>
            ) : (
              <Text size="sm" c="dimmed">
                None.
              </Text>
            )}
          </Panel>
        </div>
      </div>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Delete ${name}?`}
        act={`Delete ${name}${services.length ? ` with ${counted(services.length, 'app')}` : ''}`}
        danger
        typed={name}
        busy={remove.isPending}
        onAct={() => void act().catch(() => undefined)}
      >
        <Text size="sm">
          {services.length
            ? `${services.map(app => app.name).join(', ')} stop answering at once. They stay in the trash for some days, with their volumes, and can be restored.`
            : 'It has no apps.'}
        </Text>
      </Confirm>
    </>
  )
}

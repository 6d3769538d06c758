import { Button, Group, TextInput } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useAction, useProjects } from '../api/queries'
import { Fault, Head, Loading, Panel } from '../ui/parts'
import { Status } from '../ui/Status'
import { counted } from '../ui/words'

export function ProjectsPage() {
  const projects = useProjects()
  const [name, setName] = useState('')
  const create = useAction('/api/projects/create', 'The project is made')
  if (projects.isPending) return <Loading of="list" head />
  if (projects.isError) return <Fault page error={projects.error} retry={() => void projects.refetch()} />
  return (
    <>
      <Head title="Projects" truth="Apps of one project share a network and reach each other by name." />
      <div className="split">
        {projects.data.length ? (
          <div className="panel">
            <ul className="list">
              {projects.data.map(project => (
                <li key={project.id}>
                  <Link
                    to="/projects/$projectId"
                    params={{ projectId: project.id }}
                    className="entry"
                    style={{ gridTemplateColumns: 'minmax(0, 1fr) auto' }}
                  >
                    <span className="cut">
                      <strong>{project.name}</strong>{' '}
                      <span className="dim">
                        {project.serviceCount
                          ? `${counted(project.serviceCount, 'app')}: ${project.serviceStatuses.map(app => app.name).join(', ')}`
                          : 'no apps yet'}
                      </span>
                    </span>
                    {project.serviceCount > 0 && <Status status={project.status} />}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ) : (
          <div className="panel empty">
            <h2>No projects yet</h2>
            <p>Each app brings a project of its own; make one for apps that belong together.</p>
          </div>
        )}
        <Panel title="New project">
          <form
            onSubmit={event => {
              event.preventDefault()
              create.mutate({ name }, { onSuccess: () => setName('') })
            }}
          >
            <TextInput
              label="Name"
              placeholder="shop"
              value={name}
              onChange={event => setName(event.currentTarget.value)}
            />
            <Group mt="sm">
              <Button type="submit" disabled={!name.trim()} loading={create.isPending}>
                Make {name.trim() || 'it'}
              </Button>
            </Group>
          </form>
        </Panel>
      </div>
    </>
  )
}

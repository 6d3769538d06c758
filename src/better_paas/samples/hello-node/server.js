// A web app with nothing but Node itself.
const http = require('node:http')

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.end(request.url === '/health' ? 'ok' : 'Hello from Better-PaaS. This is hello-node.\n')
})

server.listen(Number(process.env.PORT ?? 8080), '0.0.0.0', () => {
  console.log(`listening on port ${server.address().port}`)
})
process.on('SIGTERM', () => server.close(() => process.exit(0)))

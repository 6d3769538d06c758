import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

declare const process: { env: Record<string, string | undefined> }
// Where `./run --dev` has its server.
const api = process.env.BETTER_PAAS_API ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  build: { outDir: '../src/better_paas/dashboard', emptyOutDir: true, target: 'es2022' },
  server: { proxy: { '/api': api, '/ws': { target: api, ws: true } } },
})

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const api = process.env.CLIENTELE_API ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  // The policy of `serving` allows no inline code and no data: scripts, so nothing is inlined.
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // ECharts, which is loaded with the first chart.
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/api": api } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

/**
 * A listener for a service worker's `fetch` events, which answers requests of its own pages to `v1/` below its scope, and leaves others
 * alone. `accepts` tells by their scopes which engines it uses: by default, any of the same build.
 */
export function serveApi(options?: { accepts?: (scope: string) => boolean }): (event: any) => void;

# The image contains all programs; a container's command selects one. tools/image builds the root file
# system, here and for the end-to-end tests. The image contains nothing else of the build stage.
# The digest is that of the index of all platforms.
FROM node:24.18.0-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN node_modules/.bin/node tools/build/main.ts && node_modules/.bin/node tools/image/main.ts --out /image

FROM scratch
COPY --from=build /image /
# The sidecar's user. Pod specs set runAsUser, and the other programs have users of their own.
USER 64871:64871

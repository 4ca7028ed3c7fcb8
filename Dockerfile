# The image holds every program: a container's command picks one. `make image` builds its root file
# system, here and in the stories alike; what ships is that folder and nothing of the builder.
FROM node:24-bookworm-slim AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN node_modules/.bin/node tools/build/main.ts && node_modules/.bin/node tools/image/main.ts --out /image

FROM scratch
COPY --from=build /image /
# The sidecar's user; pods name theirs, and the webhook's is another.
USER 64871:64871

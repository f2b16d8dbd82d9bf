//! Zones: what is read, what is refused, and local times.

-- Before a device comes, or moves to another fleet: its organization is its fleet's.

SELECT organization_id INTO NEW.organization_id FROM fleets_fleet WHERE id = NEW.fleet_id;
RETURN NEW;

"""Who may do what: logins, roles and credentials of people and programs, outside the journal."""
